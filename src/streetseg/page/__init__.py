"""Parts that the package's web pages share: plain ES modules and a style sheet, without a build step."""
