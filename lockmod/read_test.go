package lockmod

import (
	"errors"
	"math"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzParams: the parameters of a request are what the API promises, whatever it
// brings, and a request that the API does not allow is refused in its form.
func FuzzParams(f *testing.F) {
	f.Add("ttl=60&value=bar", "timeout=2", formType)
	f.Add("ttl=%31", `{"ttl":1e3,"index":"7"}`, "application/json")
	f.Add("ttl=99999999999999999999", "value=%ff", formType)
	f.Add("value=a;b&value=c", "value=&field=index", formType)
	f.Add("index=00&=&&%", "x=+&timeout=-1&name=%00", "text/plain")
	f.Add("", `{"value":"\ud83d\ude00","name":null}`, "application/json; charset=utf-8")
	f.Add("", `{"value":"\\\ud800"}`, "APPLICATION/JSON")
	f.Add("wait=true&waitIndex=4&timeout=0", "", "")
	f.Add("limit=5&prefix=a%2F&continue=a%2fb", "limit=1001", formType+" ; charset=UTF-8")
	f.Fuzz(checkParams)
}

// FuzzJSON is FuzzParams for bodies of JSON only, which would seldom be one there.
func FuzzJSON(f *testing.F) {
	f.Add(`{"ttl": 60, "value": "bar", "timeout": null}`, "ttl=x&value=foo")
	f.Add(`{"ttl":"60","index":18446744073709551616,"waitIndex":-0}`, "")
	f.Add(`{"ttl":6e1,"timeout":0.5,"limit":1E+2}`, "ttl=3")
	f.Add(`{"value":"\ud83d\ude00 \\ud83d \\\ude00"}`, "")
	f.Add(`{"value":"\ude00\ud83d"}`, "value=bar")
	f.Add("{\"value\":\"\xff\"}", "")
	f.Add(`{"wait":true,"field":"index","ttl":false}`, "")
	f.Add(`{"wait":"true","name":{"ttl":1}}`, "")
	f.Add(`{"value":"a","value":"","Value":"b"}`, "value=c")
	f.Add(`{"unknown":{"value":[1,{}]},"value":["bar"]}`, "")
	f.Add(` [{"ttl":60}] `, "")
	f.Add(`{"ttl":60} {"ttl":61}`, "")
	f.Add(" \t\r\n", "ttl=60")
	f.Add("null", "ttl=60")
	f.Fuzz(func(t *testing.T, body, query string) { checkParams(t, query, body, "application/json") })
}

func checkParams(t *testing.T, query, body, contentType string) {
	if strings.Count(query, "&") > 1000 {
		return // more than net/url reads
	}
	const limit = 1000
	r := httptest.NewRequest("DELETE", "/", strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header.Set("Content-Type", contentType)
	p, err := ReadParams(httptest.NewRecorder(), r, limit)
	want, code := promised(query, contentType, body, limit)
	if err != nil || code != 0 {
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Status != map[int]int{209: 400, 213: 413}[code] {
			t.Fatalf("the error is %#v, want one of code %d", err, code)
		}
		return
	}
	for _, k := range known {
		if got := p.Get(k.name); got != want[k.name] {
			t.Errorf("%s is %q, want %q", k.name, got, want[k.name])
		}
	}
	checkTypes(t, &p, want)
}

// checkTypes compares what is read of the parameters with what they say.
func checkTypes(t *testing.T, p *Params, want map[string]string) {
	n := promisedNumber(want["ttl"])
	if ttl, err := p.TTL(time.Hour); (err == nil) != within(n, 1, 3600) || err == nil && ttl != time.Duration(n.Int64())*time.Second {
		t.Errorf("the TTL %q is %v, %v", want["ttl"], ttl, err)
	}
	timeout, err := p.Timeout()
	switch n := promisedNumber(want["timeout"]); {
	case want["timeout"] == "":
		if err != nil || timeout != WaitForever {
			t.Errorf("without a timeout it is %v, %v", timeout, err)
		}
	case n == nil:
		if err == nil {
			t.Errorf("the timeout %q is %v", want["timeout"], timeout)
		}
	case within(n, 0, 1<<31):
		if err != nil || timeout != time.Duration(n.Int64())*time.Second {
			t.Errorf("the timeout %q is %v, %v", want["timeout"], timeout, err)
		}
	case err != nil || timeout < 1<<31*time.Second && timeout != WaitForever:
		t.Errorf("the timeout %q is %v, %v", want["timeout"], timeout, err)
	}
	for name, read := range map[string]func() (uint64, bool, error){"index": p.Index, "waitIndex": p.WaitIndex} {
		n := promisedNumber(want[name])
		index, given, err := read()
		bad := want[name] != "" && !within(n, 0, math.MaxUint64)
		if given != (want[name] != "") || (err != nil) != bad || given && !bad && index != n.Uint64() {
			t.Errorf("the %s %q is %d, %v, %v", name, want[name], index, given, err)
		}
	}
	limit, err := p.Limit()
	switch n := promisedNumber(want["limit"]); {
	case want["limit"] == "":
		if err != nil || limit != 100 {
			t.Errorf("without a limit it is %d, %v", limit, err)
		}
	case n == nil || n.Sign() == 0:
		if err == nil {
			t.Errorf("the limit %q is %d", want["limit"], limit)
		}
	case err != nil || limit > 1000 || limit < 1000 && n.Cmp(big.NewInt(int64(limit))) != 0:
		t.Errorf("the limit %q is %d, %v", want["limit"], limit, err)
	}
	if wait, err := p.Wait(); (err == nil) != slices.Contains([]string{"", "true", "false"}, want["wait"]) || wait != (want["wait"] == "true") {
		t.Errorf("wait %q is %v, %v", want["wait"], wait, err)
	}
	if value, err := p.Text("value", 100); (err == nil) != (len(want["value"]) <= 100 && utf8.ValidString(want["value"])) || err == nil && value != want["value"] {
		t.Errorf("the value %q is %q, %v", want["value"], value, err)
	}
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
