"""Tasks, model, training, tracing, checkpoints, frontier and command line. Knows no Streamlit and no Plotly."""
