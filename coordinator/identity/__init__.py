"""Who may say what: keys, nonces, sessions, revocation. Pure but for the two files that it keeps; time is an
argument."""
