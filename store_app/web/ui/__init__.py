"""The layout, components, words and State mixins that pages share."""
