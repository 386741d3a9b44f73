"""Charts: the viewer of radiographs and the figures of an evaluation. Only here is plotly imported."""
