"""Figures: pure functions from a Trace or a result to what is seen; no Streamlit in here."""
