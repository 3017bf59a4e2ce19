"""Decisions without a loop: who is asked, who is left out, what may be tried again. Time is an argument."""
