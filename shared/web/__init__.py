"""The local web application of both packages: pages for people, and JSON for programs as `predict --json` prints it."""
