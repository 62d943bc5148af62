"""The server: frames in over HTTP and WebSocket, class maps out."""
