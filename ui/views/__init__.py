"""The views of the app: a module each, whose `render` draws it. They read through `ui.reader`, and decide nothing."""
