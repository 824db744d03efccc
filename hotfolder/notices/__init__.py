"""Tell people when something is wrong, and when it is well again.

`observing` looks at the queues; `deciding` makes notices of what it sees; the journal keeps them; `dispatch` says
which go out together and when; `letters` writes the message; `mail`, `post` and `chat` carry it; `desk` does all that.
"""
