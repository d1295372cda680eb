"""What several components decide alike: selectors, affinity, taints, amounts (component-helpers upstream)."""
