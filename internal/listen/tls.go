package listen

import "crypto/tls"

// TLS is the server's side of TLS with certificates from get.
func TLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: get,
		// HTTP/2 is not offered. A push is one long upload, and the windows of
		// Go's HTTP/2 server let it run slower than plain HTTP/1.1; registry
		// clients open several connections anyway.
		NextProtos: []string{"http/1.1"},
	}
}
