package caddymodule

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// defaultPort is etcd's port for its clients.
const defaultPort = "2379"

// parseEndpoints returns endpoints as URLs, all with a scheme and a port, and
// whether they are HTTPS; tls says whether those without a scheme are.
func parseEndpoints(endpoints []string, tls bool) (urls []string, secure bool, err error) {
	seen := make(map[string]bool)
	for i, e := range endpoints {
		u, err := parseEndpoint(e, tls)
		if err != nil {
			return nil, false, err
		}
		switch {
		case tls && u.Scheme == "http":
			return nil, false, fmt.Errorf("tls is set, but endpoint %q is http", e)
		case i > 0 && secure != (u.Scheme == "https"):
			return nil, false, fmt.Errorf("endpoint %q: http and https cannot be mixed", e)
		case seen[u.Host]:
			return nil, false, fmt.Errorf("endpoint %q is named twice", e)
		}
		secure = u.Scheme == "https"
		seen[u.Host] = true
		urls = append(urls, u.String())
	}
	return urls, secure, nil
}

func hasPlaceholder(text string) bool { return strings.Contains(text, "{") }

func parseEndpoint(endpoint string, tls bool) (*url.URL, error) {
	text := endpoint
	if !strings.Contains(text, "://") {
		scheme := "http"
		if tls {
			scheme = "https"
		}
		text = scheme + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q is not an address: %w", endpoint, err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("endpoint %q: scheme %q is neither http nor https", endpoint, u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("endpoint %q names a user; the options username and password do that", u.Redacted())
	case u.Hostname() == "":
		return nil, fmt.Errorf("endpoint %q names no host", endpoint)
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("endpoint %q has something behind its port", endpoint)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(strings.ToLower(u.Hostname()), port)}, nil
}
