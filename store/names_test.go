package store

import (
	"strings"
	"testing"
)

// FuzzEscapeName: each name is one plain segment of a path, of its own, from which it comes
// back; none sees into another's; and those that begin alike are found together.
func FuzzEscapeName(f *testing.F) {
	for _, s := range []string{"a", "a/b", "a%2Fb", "..", ".", "_hidden", "a b", "é☃", "\x00", "%", "a//b", "%5Fx", "...", "._", "_.", "ü", "\xc3"} {
		f.Add(s, s+"/c")
		f.Add(s, ".")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ea, eb := EscapeName(a), EscapeName(b)
		if (a == b) != (ea == eb) {
			t.Errorf("%q and %q escape to %q and %q", a, b, ea, eb)
		}
		if strings.Contains(ea, "/") || ea == "." || ea == ".." || strings.HasPrefix(ea, "_") {
			t.Errorf("%q escapes to %q, which is not one plain segment", a, ea)
		}
		if back, err := UnescapeName(ea); err != nil || back != a {
			t.Errorf("%q comes back as %q (%v)", a, back, err)
		}
		if order := CompareNames(a, b); (order == 0) != (a == b) || order != -CompareNames(b, a) {
			t.Errorf("%q and %q are in the order %d and %d", a, b, order, CompareNames(b, a))
		}
		if a != b && strings.HasPrefix(eb+"/", ea+"/") {
			t.Errorf("%q sees into %q", a, b)
		}
		for _, prefix := range []string{a, a[:len(a)/2], ""} {
			if name := prefix + b; !strings.HasPrefix(EscapeName(name), EscapePrefix(prefix)) {
				t.Errorf("%q begins with %q, but %q not with %q", name, prefix, EscapeName(name), EscapePrefix(prefix))
			}
		}
	})
}
