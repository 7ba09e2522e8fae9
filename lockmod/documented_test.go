package lockmod

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every parameter that there is stands in the OpenAPI document, and no other. (What
// becomes of them is tested where the document is: caddymodule/e2e.)
func TestParametersAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../caddymodule/openapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Parameters map[string]struct {
				Name, In string
				Schema   struct{ Default, Maximum any }
			}
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	documented, there := map[string]bool{}, map[string]bool{}
	for _, p := range document.Components.Parameters {
		if p.In == "query" {
			documented[p.Name] = true
		}
	}
	for name, schema := range document.Components.Schemas {
		if strings.HasSuffix(name, "Parameters") {
			for property := range schema.Properties {
				documented[property] = true
			}
		}
	}
	for _, k := range known {
		there[k.name] = true
	}
	if !maps.Equal(documented, there) {
		t.Errorf("documented are %q, and there are %q", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(there)))
	}
	if s := document.Components.Parameters["Limit"].Schema; s.Default != float64(defaultLimit) || s.Maximum != float64(maxLimit) {
		t.Errorf("limit is documented as %v, and at most %v", s.Default, s.Maximum)
	}
}
