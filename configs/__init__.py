"""Training configurations; `gsn train --config NAME` finds them here."""
