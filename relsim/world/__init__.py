"""The relational world: scenes with known relations, their catalogue and grammar, checkers, and the renderer."""
