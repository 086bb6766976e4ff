"""Every attack by its name, with the finding that it is of. An attack is a function of the venue and its seconds; it
answers {"note": what was seen, "wrong": what did not hold, "got_in": who got in}."""
ATTACKS = {}

class Attack:
    def __init__(self, run, finding, court, witness, alone, growth):
        self.run, self.name, self.finding, self.court, self.witness, self.alone, self.growth = run, run.__name__, finding, court, witness, alone, growth

def attack(finding, court=None, witness=None, alone=False, growth=None):
    """court: whose key it holds (attacks on one court take turns); witness: runs beside it, on a core of its own;
    alone: brings its own box, so the venue's is not measured; growth: MB that the box may grow by, where not the usual."""
    def put(run):
        ATTACKS[run.__name__] = Attack(run, finding, court, witness, alone, growth)
        return run
    return put
