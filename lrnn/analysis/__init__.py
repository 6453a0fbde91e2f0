"""Analysis looks at what A_t and S_t became."""
