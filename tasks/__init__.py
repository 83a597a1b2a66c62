"""What happens to a Message, a file per verb: accept, refuse, prepare, send, sweep, reconcile, bury."""
