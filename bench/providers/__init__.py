"""The providers of the bench: fast, in processes of their own, and they remember what they took."""
