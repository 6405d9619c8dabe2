"""A relation between two people, from facts about parents, children and siblings."""
