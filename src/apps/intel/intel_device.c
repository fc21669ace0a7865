/* intel_device -- see intel_device.h.
 * source: the device identifiers as the public list pci.ids (pci-ids.ucw.cz) names them */
#include "apps/intel/intel_device.h"

#include <stddef.h>

#define IXGBE "intel.ixgbe"
#define IGB "intel.igb"

const struct intel_device intel_devices[] = {
	{ 0x10f7, INTEL_82599, 16, IXGBE, "82599 backplane KX4" },
	{ 0x10f8, INTEL_82599, 16, IXGBE, "82599 backplane" },
	{ 0x10f9, INTEL_82599, 16, IXGBE, "82599 CX4" },
	{ 0x10fb, INTEL_82599, 16, IXGBE, "82599ES SFI/SFP+ (X520)" },
	{ 0x10fc, INTEL_82599, 16, IXGBE, "82599 XAUI/BX4" },
	{ 0x1507, INTEL_82599, 16, IXGBE, "82599 SFP+ (express module)" },
	{ 0x1514, INTEL_82599, 16, IXGBE, "82599 KX4 mezzanine" },
	{ 0x1517, INTEL_82599, 16, IXGBE, "82599 KR backplane" },
	{ 0x151c, INTEL_82599, 16, IXGBE, "82599 10GBASE-T" },
	{ 0x1529, INTEL_82599, 16, IXGBE, "82599 SFP+ with FCoE" },
	{ 0x152a, INTEL_82599, 16, IXGBE, "82599 backplane with FCoE" },
	{ 0x154a, INTEL_82599, 16, IXGBE, "82599 SFP+, four ports (X520-4)" },
	{ 0x154d, INTEL_82599, 16, IXGBE, "82599 SFP+ (X520)" },
	{ 0x1557, INTEL_82599, 16, IXGBE, "82599 SFP+, one port (X520-1)" },
	{ 0x1558, INTEL_82599, 16, IXGBE, "82599 QSFP+ (X520-Q1)" },
	{ 0x1528, INTEL_X540, 16, IXGBE, "X540-AT2" },
	{ 0x1560, INTEL_X540, 16, IXGBE, "X540-AT1" },
	{ 0x1563, INTEL_X550, 16, IXGBE, "X550-AT2" },
	{ 0x15d1, INTEL_X550, 16, IXGBE, "X550-AT" },
	{ 0x15aa, INTEL_X552, 16, IXGBE, "X552 backplane KX4" },
	{ 0x15ab, INTEL_X552, 16, IXGBE, "X552 backplane KR" },
	{ 0x15ac, INTEL_X552, 16, IXGBE, "X552 SFP+" },
	{ 0x15ad, INTEL_X552, 16, IXGBE, "X552/X557-AT 10GBASE-T" },
	{ 0x15ae, INTEL_X552, 16, IXGBE, "X552 1000BASE-T" },
	{ 0x15c2, INTEL_X553, 16, IXGBE, "X553 backplane KR" },
	{ 0x15c3, INTEL_X553, 16, IXGBE, "X553 backplane KR" },
	{ 0x15c4, INTEL_X553, 16, IXGBE, "X553 SFP+" },
	{ 0x15c6, INTEL_X553, 16, IXGBE, "X553 SGMII" },
	{ 0x15c7, INTEL_X553, 16, IXGBE, "X553 SGMII" },
	{ 0x15c8, INTEL_X553, 16, IXGBE, "X553/X557-AT 10GBASE-T" },
	{ 0x15ce, INTEL_X553, 16, IXGBE, "X553 SFP+" },
	{ 0x15e4, INTEL_X553, 16, IXGBE, "X553 1000BASE-T" },
	{ 0x15e5, INTEL_X553, 16, IXGBE, "X553 1000BASE-T" },
	{ 0x10c9, INTEL_82576, 16, IGB, "82576" },
	{ 0x10e6, INTEL_82576, 16, IGB, "82576 fiber" },
	{ 0x10e7, INTEL_82576, 16, IGB, "82576 SerDes" },
	{ 0x10e8, INTEL_82576, 16, IGB, "82576, four ports" },
	{ 0x150a, INTEL_82576, 16, IGB, "82576NS" },
	{ 0x1526, INTEL_82576, 16, IGB, "82576, four ports (ET2)" },
	{ 0x1521, INTEL_I350, 8, IGB, "I350 copper" },
	{ 0x1522, INTEL_I350, 8, IGB, "I350 fiber" },
	{ 0x1523, INTEL_I350, 8, IGB, "I350 backplane" },
	{ 0x1524, INTEL_I350, 8, IGB, "I350 SGMII" },
	{ 0x1533, INTEL_I210, 4, IGB, "I210 copper" },
	{ 0x1536, INTEL_I210, 4, IGB, "I210 fiber" },
	{ 0x1537, INTEL_I210, 4, IGB, "I210 SerDes" },
	{ 0x1538, INTEL_I210, 4, IGB, "I210 SGMII" },
	{ 0x157b, INTEL_I210, 4, IGB, "I210 copper, without flash" },
	{ 0x157c, INTEL_I210, 4, IGB, "I210 SerDes, without flash" },
	{ 0x1539, INTEL_I211, 2, IGB, "I211" },
	{ 0x10d3, INTEL_82574, 1, "intel.e1000e", "82574L" },
	{ 0x10f6, INTEL_82574, 1, "intel.e1000e", "82574LA" },
	{ 0, 0, 0, NULL, NULL }
};

const struct intel_device *intel_device(uint16_t vendor, uint16_t device)
{
	for (const struct intel_device *row = intel_devices; vendor == INTEL_VENDOR && row->device != 0; row++)
		if (row->device == device)
			return row;
	return NULL;
}
