"""What a trigger can be, one kind a file: how it is pasted, what it is compared with, and who carries it."""
