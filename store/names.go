package store

import (
	"net/url"
	"strings"
)

// EscapeName turns a queue's name into one path segment: no slash is left in it,
// so no queue's prefix contains another's, and different names never become the
// same. It also escapes what the v2 API treats specially: a leading underscore
// (a hidden node) and the segments "." and "..".
func EscapeName(name string) string {
	escaped := url.PathEscape(name)
	switch {
	case escaped == "." || escaped == "..":
		return strings.ReplaceAll(escaped, ".", "%2E")
	case strings.HasPrefix(escaped, "_"):
		return "%5F" + escaped[1:]
	}
	return escaped
}

// CompareNames orders names as their queues stand in etcd, where a slash follows
// the escaped name.
func CompareNames(a, b string) int {
	return strings.Compare(EscapeName(a)+"/", EscapeName(b)+"/")
}

// UnescapeName is the inverse of EscapeName.
func UnescapeName(escaped string) (string, error) {
	return url.PathUnescape(escaped)
}

// EscapePrefix returns what the escaped forms of all names that begin with prefix
// begin with. Other names' may begin with it too.
func EscapePrefix(prefix string) string {
	if strings.Trim(prefix, ".") == "" {
		return "" // "." and ".." are escaped, "..." is not
	}
	return EscapeName(prefix)
}
