"""The whole product on real servers, driven from outside: by the API's contract, in Chromium, with processes killed."""
