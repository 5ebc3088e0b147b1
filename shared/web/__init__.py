"""The local web application of both packages: pages for people, the JSON of `predict --json` for programs."""
