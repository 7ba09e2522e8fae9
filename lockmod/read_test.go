package lockmod

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// net/http's own reading of a form is what the parameters must be, where it is
// willing to read it.
func FuzzParams(f *testing.F) {
	f.Add("ttl=60&value=bar", "timeout=2", formType)
	f.Add("ttl=%31", `{"ttl":1e3,"index":"7"}`, "application/json")
	f.Add("ttl=99999999999999999999", "value=%ff", formType)
	f.Add("value=a;b&value=c", "value=&field=index", formType)
	f.Add("index=00&=&&%", "x=+&timeout=-1&name=%00", "text/plain")
	f.Add("", `{"value":"\ud83d\ude00","name":null}`, "application/json; charset=utf-8")
	f.Add("", `{"value":"\\\ud800"}`, "APPLICATION/JSON")
	f.Fuzz(func(t *testing.T, query, body, contentType string) {
		r := httptest.NewRequest("DELETE", "/", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		p, err := ReadParams(httptest.NewRecorder(), r, 1000)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Status != 400 && e.Status != 413 {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if contentType == formType && !strings.Contains(query+body, ";") {
			form, formErr := url.ParseQuery(body)
			values, queryErr := url.ParseQuery(query)
			if formErr != nil || queryErr != nil {
				t.Fatalf("read %q and %q, which are %v and %v", query, body, queryErr, formErr)
			}
			for _, k := range known {
				if got, want := p.Get(k.name), firstOf(append(form[k.name], values[k.name]...)); got != want {
					t.Errorf("%s is %q, want %q", k.name, got, want)
				}
			}
		}
		if ttl, err := p.TTL(time.Hour); err == nil && (ttl < time.Second || ttl > time.Hour || ttl%time.Second != 0) {
			t.Errorf("a TTL of %v", ttl)
		}
		if timeout, err := p.Timeout(); err == nil && timeout < 0 && timeout != WaitForever {
			t.Errorf("a timeout of %v", timeout)
		}
		if value, err := p.Text("value", 100); err == nil && (len(value) > 100 || !utf8.ValidString(value)) {
			t.Errorf("the value %q", value)
		}
	})
}

func firstOf(values []string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func TestMalformedJSON(t *testing.T) {
	for body, message := range map[string]string{
		`{"ttl":60`:                "The request body is not valid JSON at byte 9",
		`{"ttl":60} x`:             "The request body is not valid JSON at byte 12",
		`[60]`:                     "The request body is not a JSON object",
		`null`:                     "The request body is not a JSON object",
		`"ttl"`:                    "The request body is not a JSON object",
		`{"ttl":true}`:             "The given ttl is neither a number nor a string",
		`{"index":{}}`:             "The given index is neither a number nor a string",
		`{"value":["bar"]}`:        "The given value is not a string",
		`{"value":5}`:              "The given value is not a string",
		"{\"value\":\"\xff\"}":     "The request body is not valid Unicode",
		`{"value":"\ud83d"}`:       "The request body is not valid Unicode",
		`{"value":"\ude00 \\"}`:    "The request body is not valid Unicode",
		`{"value":"\ud83d\u0041"}`: "The request body is not valid Unicode",
	} {
		f := &fake{}
		wantError(t, serve(on(f), "POST", Prefix+"k?ttl=60", "application/json", body), 400, 209, message, "Acquire")
		if f.calls != 0 {
			t.Errorf("%s reached the service", body)
		}
	}
	for _, body := range []string{`{"value":"\\ud83d"}`, `{"value":"\ufffd"}`, `{"value":"\""}`} {
		if w := serve(on(&fake{holder: heldAt(5, "")}), "POST", Prefix+"k?ttl=60", "application/json", body); w.Code != 200 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// A body that can't be read whole is nothing to act on.
func TestBrokenBody(t *testing.T) {
	for _, contentType := range []string{formType, "application/json", "text/plain"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", Prefix+"k?ttl=60", unreadableBody{})
		r.Header.Set("Content-Type", contentType)
		on(&fake{}).ServeHTTP(w, r)
		wantError(t, w, 400, 209, "The request body could not be read", "Acquire")
	}
}

type unreadableBody struct{}

func (unreadableBody) Read([]byte) (int, error) { return 0, errors.New("reset by 10.0.0.1:2379") }

func TestLoneSurrogate(t *testing.T) {
	for text, want := range map[string]bool{
		``:                   false,
		`\`:                  false,
		`\u`:                 false,
		`\ud83`:              false,
		`\u0041`:             false,
		`\uD83D\uDE00`:       false,
		`\ud83d\ude00\ude00`: true,
		`\ud83d`:             true,
		`\ud83dx`:            true,
		`\ud83d\n`:           true,
		`\ude00\ud83d`:       true,
		`\\ud83d`:            false,
		`\\\ud83d`:           true,
		`ud83d`:              false,
	} {
		if loneSurrogate([]byte(text)) != want {
			t.Errorf("%s: %v, want %v", text, !want, want)
		}
	}
}

func BenchmarkReadParams(b *testing.B) {
	for _, c := range []struct{ name, query, contentType, body string }{
		{"Query", "ttl=60&value=bar", "", ""},
		{"Form", "ttl=60", formType, "value=bar&timeout=2"},
		{"Escaped", "ttl=60", formType, "value=b%C3%A4r+2"},
		{"JSON", "ttl=60", "application/json", `{"value":"bar","timeout":2}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := strings.NewReader(c.body)
			r := httptest.NewRequest("POST", Prefix+"k?"+c.query, body)
			r.Header.Set("Content-Type", c.contentType)
			if c.body == "" {
				r.Body = nil
			}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				if _, err := ReadParams(nil, r, 1<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
