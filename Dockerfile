# For those who build with a container engine: `docker build -t localhost/millrace:0.1.0 .` makes the same image as image/build, which needs none.
FROM rust:1.95-bookworm AS build
WORKDIR /millrace
ENV RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/usr/local/cargo=/cargo"

# The dependencies alone, in a layer that stays until they change. Naming the target keeps the flags away from build scripts and macros, which cannot be
# linked statically.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
    && rustc -vV | sed -n 's/^host: //p' >/target \
    && cargo build --locked --release --target "$(cat /target)" --bin millrace \
    && cargo clean --release --target "$(cat /target)" --package millrace \
    && rm -r src

COPY src src
RUN cargo build --locked --release --target "$(cat /target)" --bin millrace \
    && cp "target/$(cat /target)/release/millrace" /program

# Nothing but the program: certificate authorities and all else it needs are linked in.
FROM scratch
COPY --from=build /program /millrace
USER 65532:65532
ENTRYPOINT ["/millrace"]
CMD ["controller"]
