"""An HTTP server over a run, a fit or a bundle: ``poeem serve DIR``. It needs the extra ``serve``."""
