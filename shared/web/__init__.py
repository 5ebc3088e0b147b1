"""The local web application that both packages share: pages for people, the same JSON as `predict --json` for programs."""
