"""HTTP requests that leave this installation: whom they may reach, and what an answer may cost."""
