vcl 4.1;
# As it is by default, with the fields that edgeproxy adds. Serves 127.0.0.1:@{port}. Names after an at sign are filled in at start.
backend worker {
    .host = "127.0.0.1";
    .port = "@{upstream_port}";
}

sub vcl_recv {
    # What the worker declares public may be stored though the request shows a key (RFC 9111, section 3.5).
    if (req.method == "GET") {
        return (hash);
    }
}

sub vcl_deliver {
    set resp.http.X-Request-ID = req.xid;
}
