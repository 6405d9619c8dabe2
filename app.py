"""The router: the pages, their order and the frame around them. Start with `python -m streamlit run app.py`."""

import streamlit as st

from depthscope.ui.shell import frame, startup

frame.begin()
startup.one_thread()
startup.name_adapters()
page = st.navigation(
    [
        st.Page("pages/trace.py", title="Trace", default=True, help="What happens, step by step?"),
        st.Page("pages/attention.py", title="Attention", help="Where does information flow?"),
        st.Page("pages/probes.py", title="Probes", help="What does the state know?"),
        st.Page("pages/interventions.py", title="Interventions", help="Is it used?"),
        st.Page("pages/dynamics.py", title="Dynamics", help="Where does it settle?"),
        st.Page("pages/frontier.py", title="Frontier", help="How far does it carry?"),
        st.Page("pages/compare.py", title="Compare", help="Two checkpoints on one instance, under one cursor."),
        st.Page("pages/checkpoints.py", title="Checkpoints", help="What can I open?"),
    ],
    position="top",
)
frame.resume()
page.run()
