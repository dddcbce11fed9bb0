"""The results page of a study: what a person looks at first.

A page has a template (resources/pages/results.html with its style and script), plots
(`plots`), and data in parts (`parts`) that the script reads when it needs them: in the page
itself or, for a study of many stars, in files beside it. It opens from a folder, and asks
nothing of any other machine.
"""
