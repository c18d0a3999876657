# The image is the static binary and nothing else, so nothing is pulled:
#   make build && docker build -t drydock .
FROM scratch
COPY bin/drydock /drydock
ENV DRYDOCK_DATA=/data DRYDOCK_LISTEN=0.0.0.0:5000
VOLUME /data
EXPOSE 5000
# Seen from inside a container every client is another machine, and from other
# machines only TLS is accepted. docker-compose.yml shows when to allow plain HTTP.
HEALTHCHECK --interval=15s --timeout=6s --start-period=5s CMD ["/drydock", "health"]
ENTRYPOINT ["/drydock"]
CMD ["serve"]
