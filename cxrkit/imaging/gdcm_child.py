"""The child of `cxrkit.imaging.isolated`: one frame from standard input to standard output.

Run as a script: rows, columns, samples, bits allocated, bits stored, signed, planar, photometric
interpretation and transfer syntax are its arguments. It imports nothing of cxrkit, to start fast.
"""

import contextlib
import sys

NOT_INSTALLED = 3  # exit status, known to the parent under the same name
MEMORY = 10**9  # bytes; the largest accepted picture, of pure noise, needs between 0.8 and 1.0

try:
    import gdcm
except ImportError:
    sys.exit(NOT_INSTALLED)


def limit() -> None:
    """Bound the address space and leave no core file, where the system has such limits."""
    try:
        import resource
    except ImportError:  # Windows; the parent's limit of time remains
        return
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses to limit the address space
            resource.setrlimit(kind, (most, most))


def main() -> int:
    """Decode; 0 when GDCM reports success."""
    limit()
    rows, columns, samples, allocated, stored, signed, planar = map(int, sys.argv[1:8])
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(sys.stdin.buffer.read())
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(sys.argv[8])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if samples > 1:
        image.SetPlanarConfiguration(planar)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(sys.argv[9])))
    image.SetPixelFormat(gdcm.PixelFormat(samples, allocated, stored, stored - 1, signed))
    buffer = image.GetBuffer()
    if buffer is None:
        return 1
    sys.stdout.buffer.write(buffer.encode("utf-8", "surrogateescape"))  # GDCM hands bytes over as text
    return 0


if __name__ == "__main__":
    sys.exit(main())
