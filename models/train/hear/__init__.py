"""Sound: the whistle net, on synthesised halls. See README.md here."""
