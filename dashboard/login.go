package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// refusedFor is how long a password that etcd has refused is not shown to it again.
const refusedFor = 10 * time.Second

// login is the gateway's token. Any member takes it that has seen it being made, until
// that forgets it.
type login struct {
	turn    chan struct{} // of the one who logs in
	refused time.Time     // when etcd refused the password; for who has the turn

	mu    sync.Mutex
	token string
}

// last is the token that there is, or empty.
func (l *login) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token
}

// renew returns a token that is not the old one, which etcd does not take.
func (l *login) renew(ctx context.Context, o Options, e *endpoint, old string) (string, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return "", errNoLogin
	}
	if token := l.last(); token != old { // somebody has renewed it meanwhile
		return token, nil
	}
	if time.Since(l.refused) < refusedFor {
		return "", errBadUser
	}
	body, err := json.Marshal(map[string]string{"name": o.Username, "password": o.Password})
	if err != nil {
		return "", err
	}
	r, err := e.send(ctx, http.MethodPost, "/v3/auth/authenticate", string(body), "", mostJSON)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "", errNoLogin
	case err != nil:
		return "", err
	case r.status == http.StatusBadRequest:
		l.refused = time.Now()
		return "", errBadUser
	}
	var told struct{ Token string }
	if err := r.decode(&told); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token = told.Token
	return told.Token, nil
}
