"""The local page of `gsn serve`: what it computes (`handlers`), its `layout`, and its `server`.

It needs Gradio (extra `web`), which only `layout` and `server` import.
"""
