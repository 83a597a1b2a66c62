"""What happens to a Message, a file per verb: accept, render, send, sweep."""
