"""The local page of `gsn serve`: what it does (`handlers`), how it looks (`layout`), `server`.

It needs Gradio, from the extra `web`; only `layout` and `server` import it.
"""
