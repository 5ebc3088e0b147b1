"""Tasks for data of one's own: `ImageTask` for pictures, `VectorTask` for rows of numbers, and the defaults of both."""
