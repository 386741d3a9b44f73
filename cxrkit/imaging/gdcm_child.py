"""The child of `cxrkit.imaging.isolated`: one frame from standard input to standard output.

Run as a script: rows, columns, samples, bits allocated, bits stored, signed, planar, photometric
interpretation and transfer syntax are its arguments. It imports hardly anything of cxrkit, to start fast.
"""

import sys

from cxrkit.imaging.confinement import end_after, limit

NOT_INSTALLED = 3  # exit status, known to the parent under the same name
MEMORY = 2 * 10**9  # bytes; the largest accepted picture, of pure noise, needs between 1.6 and 2.0
SECONDS = 60  # for the case that the parent, which waits for less, is gone

try:
    import gdcm
except ImportError:
    sys.exit(NOT_INSTALLED)


def main() -> int:
    """Decode; 0 when GDCM reports success."""
    limit(MEMORY)
    end_after(SECONDS)
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
