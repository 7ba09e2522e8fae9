package lockmod

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// The kinds of answers that there are.
const (
	asText   = "text/plain"
	asJSON   = "application/json"
	asEvents = "text/event-stream"
)

// wanted is the kind of answer that the client asked for: text unless it prefers
// another one.
func wanted(r *http.Request) string {
	quality := map[string]float64{}
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			q, err := strconv.ParseFloat(params["q"], 64)
			if err != nil {
				q = 1
			}
			quality[kind] = max(quality[kind], q)
		}
	}
	best := asText
	for _, kind := range []string{asJSON, asEvents} {
		if q := quality[kind]; q > 0 && q >= quality[best] {
			best = kind
		}
	}
	return best
}
