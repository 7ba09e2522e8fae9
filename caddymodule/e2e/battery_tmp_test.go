package e2e

// To come.
var version2, secured []group
