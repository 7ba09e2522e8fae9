package lockmod

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// wantsJSON says whether the client asked for JSON rather than for text.
func wantsJSON(r *http.Request) bool {
	json, text := 0.0, 0.0
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			quality := 1.0
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
				quality = q
			}
			switch kind {
			case "application/json":
				json = max(json, quality)
			case "text/plain":
				text = max(text, quality)
			}
		}
	}
	return json > 0 && json >= text
}
