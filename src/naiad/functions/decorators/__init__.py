"""What stands above a function that is served: how requests become its arguments, and its results answers.

In this order, the first outermost: `fill_optionals`, `group_by_keys`; then `batch` or `sample`; then `group_by_values`,
`first_value`, `pad_batch`.
"""
