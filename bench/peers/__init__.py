"""What Roundsman is measured against. Each is written as its own documentation would have it."""
