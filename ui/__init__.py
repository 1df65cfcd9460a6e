"""The Streamlit page: Search for clinicians, Compare for researchers."""
