"""What a pod must be, in the words and the order of `pkg/apis/core/validation`.

Objects are decoded and defaulted: fields nobody knows and nulls are gone, amounts are canonical. Each check
is handed the `Findings` so far and the path of what it looks at, and appends what is wrong.
"""
