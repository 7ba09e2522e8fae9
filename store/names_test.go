package store

import (
	"strings"
	"testing"
)

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
		for _, prefix := range []string{a, a[:len(a)/2], ""} {
			if name := prefix + b; !strings.HasPrefix(EscapeName(name), EscapePrefix(prefix)) {
				t.Errorf("%q begins with %q, but %q not with %q", name, prefix, EscapeName(name), EscapePrefix(prefix))
			}
		}
	})
}
