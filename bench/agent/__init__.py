"""What the agent promises, measured: how soon a machine serves, what reverse dial costs, what is left behind."""
