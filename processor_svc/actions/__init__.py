"""The actions: what a firing can do. Each module runs one kind."""
