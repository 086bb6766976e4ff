"""Every attack by its name, with the finding that it is of. An attack is a function of the venue and its seconds; it
answers {"note": what was seen, "wrong": what did not hold, "got_in": who got in}."""
ATTACKS = {}

class Attack:
    def __init__(self, run, finding, court, witness, alone, growth, honest):
        self.run, self.name, self.finding, self.court = run, run.__name__, finding, court
        self.witness, self.alone, self.growth, self.honest = witness, alone, growth, honest

def attack(finding, court=None, witness=None, alone=False, growth=None, honest=False):
    """court: whose key it holds (attacks on one court take turns); witness: runs beside it, on a core of its own;
    alone: brings its own box, so the venue's is not measured; growth: MB that the box may grow by, where not the usual;
    honest: those who do nothing wrong and are to be served, for whom the attackers' one core is no place."""
    def put(run):
        ATTACKS[run.__name__] = Attack(run, finding, court, witness, alone, growth, honest)
        return run
    return put
